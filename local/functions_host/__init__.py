"""A Functions host for the machine that has no ``func``: HTTP, queue and timer triggers.

It runs an app of the Python v2 programming model as the real host and its Python worker would:
same routes and keys, same queue rules, same schedules, and azure-functions' own converters
between what arrives and what a function sees.
"""
