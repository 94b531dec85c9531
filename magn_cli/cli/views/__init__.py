"""What is shown while a command runs."""
