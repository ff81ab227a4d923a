"""The portal: what people of a bureau, its districts, townships and villages see of a publication, and no more."""
