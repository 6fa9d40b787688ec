"""Between the instances and the outside: fabric, registers, clocks."""
