"""The MAC array and what feeds and drains it."""
