CREATE TABLE bridge (
    basis VARCHAR, tree INTEGER, measure VARCHAR, cause VARCHAR, previous BIGINT, delta BIGINT, value BIGINT
);
