"""What people would use instead, each written as its user would: the same service, the same steps a file."""
