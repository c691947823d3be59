"""The shop's own words in every language it sells in: what is missing, what is stale, how it gets there."""
