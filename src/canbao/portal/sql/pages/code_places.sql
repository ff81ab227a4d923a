SELECT code, place_code FROM code_place;
