"""The peers import libraries that a test run does not need to have."""

collect_ignore_glob = ["peers/*"]
