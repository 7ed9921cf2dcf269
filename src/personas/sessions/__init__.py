"""Signed in as a persona, and the forms in which that is handed out.

`signed_in` signs in and takes up a session of before; `forms` renders one for scripts, shells, programs and
browsers; `documents` has the files as models, and reads them again.
"""
