"""Data quality: the catalogue of measures, their history, incidents, releases, repair requests and pages."""
