"""The tables of the READMEs that show what was measured, fitted and trained."""
