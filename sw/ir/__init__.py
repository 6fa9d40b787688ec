"""A network as other programs have it: operators on values, before they become layers."""
