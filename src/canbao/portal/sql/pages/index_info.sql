SELECT info FROM index_info;
