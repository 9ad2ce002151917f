"""What people see: drawings of graphs, charts, what notebooks show. Nothing is loaded from anywhere."""
