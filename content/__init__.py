"""What marketers write, and what turns it into messages."""
