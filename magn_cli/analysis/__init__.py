"""What is seen in a picture: its noise, the blocks of JPEG, quantization tables."""
