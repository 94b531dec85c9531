"""What is there for speed: each has a plain form that it is tested against."""
