"""Parts of a service that the checklist asks for, where a template does not have them."""
