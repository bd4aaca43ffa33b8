"""The same mathematics as text, LaTeX and MathML."""
