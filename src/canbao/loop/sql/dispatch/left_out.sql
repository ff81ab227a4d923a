-- Who is left out and why, in rows and in people.
SELECT left_out AS why, count(*)::INTEGER AS rows, count(DISTINCT person_id)::INTEGER AS persons
FROM judged
WHERE left_out IS NOT NULL
GROUP BY left_out
ORDER BY left_out
