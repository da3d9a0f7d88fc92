"""Tables and arrays in, plotly figures out. Pure: no streamlit, no files, the same data gives the same figure."""
