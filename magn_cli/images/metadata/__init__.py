"""What files say beside their pixels."""
