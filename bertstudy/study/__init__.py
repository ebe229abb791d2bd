"""What a notebook needs: setup, Study, pages, the report, widgets."""
