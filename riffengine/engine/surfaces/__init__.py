"""How each control surface of a session is opened."""
