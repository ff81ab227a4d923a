"""One person's life as the departments' rows tell it, and the parameters it is judged by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

STAFF = {"310", "340", "350", "360"}
RESIDENT = {"380", "390", "391"}
EMPLOYERS = {"U1": "500101", "U2": "500102", "U3": "500103", "U4": "510104"}


@dataclass
class Relation:
    """A row of `enrollment`, or of `enrollment_elsewhere`."""

    rlts_id: str
    insutype: str
    status: str
    admdvs: str
    begn: date
    end: date | None = None
    psn_type: str = "1501"
    uscc: str | None = None
    tier: str | None = None
    elsewhere: bool = False


@dataclass
class Payment:
    """A row of `tax_payment`; months are YYYYMM."""

    pay_id: str
    insutype: str
    begn: int
    end: int
    amount: int
    paid: date
    pay_type: str = "10"
    admdvs: str = "500101"
    uscc: str | None = None
    tier: str | None = None

    @property
    def signed(self) -> int:
        """The amount; what is paid back is negative however the tax office wrote it."""
        return -abs(self.amount) if self.pay_type == "40" else self.amount


@dataclass
class Life:
    """All that is known of one person."""

    certno: str
    brdy: date
    relations: list[Relation] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    history: list[tuple[int, str, int]] = field(default_factory=list)  # insured year, insutype, months
    aid: list[tuple[str, date, date | None]] = field(default_factory=list)
    veteran: list[date] = field(default_factory=list)
    custody: list[tuple[date, date | None]] = field(default_factory=list)
    claims: list[tuple[int, int, bool | None]] = field(default_factory=list)  # year, fund_paid_amt, reward_used
    student: list[tuple[str, str, date, str]] = field(default_factory=list)  # school_admdvs, stage, enroll_date, status
    employment: list[tuple[str, str, date, date | None]] = field(default_factory=list)  # uscc, kind, begn, end
    live_code: str | None = "500101001001"
    resd_permit: bool | None = None

    def __str__(self) -> str:
        lines = [f"life {self.certno} born {self.brdy} lives {self.live_code}"]
        for r in self.relations:
            place = f"{r.admdvs} elsewhere" if r.elsewhere else r.admdvs
            lines.append(
                f"  relation {r.rlts_id} {r.insutype} status {r.status} at {place} {r.begn} to {r.end} "
                f"type {r.psn_type} uscc {r.uscc} tier {r.tier}"
            )
        staff = sorted((p for p in self.payments if p.insutype in STAFF), key=lambda p: p.begn)
        if len(staff) > 3:
            lines.append(f"  payment {len(staff)} x {staff[0].insutype} {staff[0].begn} to {staff[-1].end}")
        lines += [
            f"  payment {p.insutype} {p.begn}-{p.end} {p.amount} on {p.paid} type {p.pay_type} at {p.admdvs}"
            for p in self.payments
            if len(staff) <= 3 or p.insutype not in STAFF
        ]
        for name in ("history", "aid", "veteran", "custody", "claims", "student", "employment"):
            lines += [
                f"  {name}: {', '.join(map(str, row)) if isinstance(row, tuple) else row}"
                for row in getattr(self, name)
            ]
        return "\n".join(lines)


@dataclass
class Policy:
    """The parameters of one run: plain values, None where no document gives one."""

    as_of: date
    insured_year: int
    windows: Mapping[int, tuple[date, date]]
    fixed_months: int = 3
    var_offset: int = 0
    lapse_from_year: int = 2025
    floor_lapsed_years: int = 4
    floor_months: int = 6
    exempt: tuple[str, ...] = ("newborn", "aid", "transition", "veteran")
    cap_base: int | None = None
    cap_step: int = 4000
    cap_after_years: int = 4
    cap_limit_ratio: float = 0.2
    cap_k_from_year: int | None = None
    zero_claim_needs_payment: bool = True
    reward_from_year: int = 2025
    reset_next_year: bool = True
    gap_months: int = 3
    min_years: int = 2
    veteran_months: int = 3
    newborn_days: int = 90
    staff_months: int = 12
    short_term_months: int = 12
    second_tier: int | None = None
    """Premium of tier 2 for the insured year."""
    subsidies: Mapping[int, int | None] = field(default_factory=dict)
    aid_types: Mapping[str, tuple[int | None, int | None, int | None]] = field(default_factory=dict)
    """Kind of aid to priority and personal share of tier 1 and tier 2."""

    @classmethod
    def of(cls, rules: Any, insured_year: int) -> "Policy":
        """The parameters of loaded rules (`canbao.rules.Rules`)."""
        value = {name: parameter.value for name, parameter in rules.parameters.items()}
        years = {int(name.split(".")[1]) for name in value if name.startswith(("window.", "subsidy."))}
        windows = {
            y: (value[f"window.{y}.start"], value[f"window.{y}.end"])
            for y in years
            if value.get(f"window.{y}.start") and value.get(f"window.{y}.end")
        }
        kinds = {name.split(".")[1] for name in value if name.startswith("aid.")}
        return cls(
            as_of=rules.as_of,
            insured_year=insured_year,
            windows=windows,
            fixed_months=value["waiting.fixed_months"],
            var_offset=value["waiting.var_offset"],
            lapse_from_year=value["waiting.lapse_from_year"],
            floor_lapsed_years=value["waiting.floor_lapsed_years"],
            floor_months=value["waiting.floor_months"],
            exempt=tuple(value["waiting.exempt"]),
            cap_base=value["cap.base"],
            cap_step=value["cap.step"],
            cap_after_years=value["cap.after_years"],
            cap_limit_ratio=value["cap.limit_ratio"],
            cap_k_from_year=value.get("cap.k_from_year"),
            zero_claim_needs_payment=value["cap.zero_claim_needs_payment"],
            reward_from_year=value["cap.reward_from_year"],
            reset_next_year=value["cap.reset_next_year"],
            gap_months=value["transition.gap_months"],
            min_years=value["transition.min_years"],
            veteran_months=value["transition.veteran_months"],
            newborn_days=value["newborn.days"],
            staff_months=value["retention.staff_months"],
            short_term_months=value["retention.short_term_months"],
            second_tier=value.get(f"premium.{insured_year}.tier2"),
            subsidies={y: value.get(f"subsidy.{y}") for y in years},
            aid_types={
                k: tuple(value.get(f"aid.{k}.{part}") for part in ("priority", "tier1_personal", "tier2_personal"))
                for k in kinds
            },
        )


def month_of(day: date) -> int:
    """Months counted from year 0."""
    return day.year * 12 + day.month - 1


def month_number(yyyymm: int) -> int:
    """Months counted from year 0, of YYYYMM."""
    return yyyymm // 100 * 12 + yyyymm % 100 - 1


def add_months(day: date, months: int) -> date:
    """The same day some months later, or that month's last day."""
    number = month_of(day) + months
    year, month = number // 12, number % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month, min(day.day, last))


def first_of_next_month(day: date) -> date:
    """The first day of the month after."""
    return add_months(day.replace(day=1), 1)
