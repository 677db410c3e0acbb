"""One command for all comparisons: their table, environments, runs, and the page of results."""
