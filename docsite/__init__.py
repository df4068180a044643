"""The documentation site: pages and pictures that are made from the code, and what mkdocs needs besides."""
