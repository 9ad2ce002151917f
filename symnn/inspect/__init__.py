"""The derivation made visible."""
