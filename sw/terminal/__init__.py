"""What commands share in a terminal: options, results and progress."""
