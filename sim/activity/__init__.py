"""What a simulation counts of its flip-flops and memories."""
