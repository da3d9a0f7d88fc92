"""Statistics on tables and arrays. Knows numpy, scipy and pandas only; scikit-learn and umap where they are needed."""
