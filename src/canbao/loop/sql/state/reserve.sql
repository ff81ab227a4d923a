INSERT INTO counter (kind, last) VALUES (:kind, :wanted)
ON CONFLICT (kind) DO UPDATE SET last = counter.last + excluded.last
RETURNING last
