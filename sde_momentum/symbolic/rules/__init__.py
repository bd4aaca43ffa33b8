"""What is given: update rules and regimes."""
