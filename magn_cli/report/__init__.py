"""Pages and pictures for people to look at: the report of an evaluation, before and after of a restoration."""
