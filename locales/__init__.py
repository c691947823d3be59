"""What a country owner and a translator edit, and the code that reads it."""
