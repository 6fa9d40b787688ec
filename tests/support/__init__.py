"""What tests share: designs, programs, agents, benches."""
