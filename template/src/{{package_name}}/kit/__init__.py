"""What every service built from the template shares. It never names a module of this service.

Template updates edit these files; the team's own code lives in `modules/`.
"""
