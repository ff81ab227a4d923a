INSERT INTO batch (batch_no, round_no, division_code, division_name, level, kind, rows, sent, due)
VALUES (:batch_no, :round_no, :division_code, :division_name, :level, :kind, :rows, :sent, :due)
