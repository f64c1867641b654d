"""The Train page: choose, start, watch, turn the weight, train again."""
