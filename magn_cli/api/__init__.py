"""The Python interface, exported by ``magn_cli`` itself."""
