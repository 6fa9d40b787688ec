"""What is around the accelerator on a board: link, memory, serial port."""
