"""What a claim is made of: its statement, its runs, its measurements, its figures."""
