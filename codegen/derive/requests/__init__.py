"""What can be asked for: gradients of samples, Jacobians, Hessians, products with them, partial derivatives."""
