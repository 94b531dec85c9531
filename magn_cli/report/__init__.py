"""HTML pages and comparison pictures: reports of evaluations, and before and after of restorations."""
