"""What tests share: builders of files, fakes, and ways to run a command."""
