"""What a notebook needs: setup, pages, the report, widgets."""
