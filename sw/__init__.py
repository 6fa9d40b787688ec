"""Software: model capture, partitioning, quantisation, compiler, driver and reports."""
