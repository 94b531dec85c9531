"""What a Python program uses, all of it in ``magn_cli`` itself."""
