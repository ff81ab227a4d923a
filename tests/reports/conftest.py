import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def ledger():
    from synthetic import synthetic_ledger

    return synthetic_ledger(2, 5)


@pytest.fixture(scope="session")
def books(ledger, tmp_path_factory):
    from canbao.reports import ReportHeader, write_ledger_workbooks

    return write_ledger_workbooks(ledger, tmp_path_factory.mktemp("reports"), header=ReportHeader())
