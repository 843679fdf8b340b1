# SPDX-License-Identifier: Apache-2.0
"""Pictures of what a pipeline made and did: the same in notebooks, pages and terminals.

=====================  ==============================================================
`view`                 what a picture is made of: tables, charts, graphs, words
`registry`             which module knows how to look at which type
`*_view`               one module for each kind of thing, found by the registry
`html_page`            a view as HTML that needs nothing from outside
`svg_images`           its drawings as images, for notebooks that are not trusted
`terminal`             a view for a terminal
`pictured`             what knows its own pictures, as an interactive context does
`showing`              `show`, and what naming a thing in a cell does
`frames`               artifacts as pandas DataFrames and Arrow tables
=====================  ==============================================================
"""
