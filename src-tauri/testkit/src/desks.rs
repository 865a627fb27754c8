//! A repository with an item in each of four layouts, as their users write them: what the desk of specs and plans is tried on.

use crate::repo::Repo;

const SPEC: &str = "# Feature: Tide tables\n\n**Status**: Draft\n\n## User Scenarios & Testing\n\n### User Story 1 - Read a table (Priority: P1)\n\n\
    A sailor asks for a day and reads the heights.\n\n### Edge Cases\n\n- Two low waters on one day\n\n## Requirements\n\n\
    - **FR-001**: It MUST say the height of a moment, by `tide_parse()` in `src/tide.rs`\n\
    - **FR-002**: It MUST say high and low water of a day, as `src/old/table.rs` did\n\
    - **FR-003**: It MUST name the harbour [NEEDS CLARIFICATION: by its code or by its name?]\n\n\
    ### Key Entities\n\n- Table, day, height\n\n## Success Criteria\n\n- **SC-001**: A year is read in under a second\n\n\
    ## Assumptions\n\n- The gauge is read every ten minutes (default)\n";
const TASKS: &str = "# Tasks\n\n- [P]: may run beside others\n\n## Phase 1: Foundation\n\n- [x] T001 Make the crate in src/lib.rs\n\n\
    ## Phase 2: Tables\n\n- [ ] T002 [P] [US1] Read a table\n  - Files: `src/read.rs` (new)\n  - Verify: `sh tests/read.sh`\n  - Covers: FR-001, SC-001\n\
    - [ ] T003 [P] [US1] Say the height\n  - Files: `src/tide.rs`\n  - Verify: `sh tests/tide.sh`\n  - Covers: FR-001\n\
    - [ ] T004 [P] [US1] Say it aloud\n  - Files: `src/tide.rs`, `src/say.rs` (new)\n  - Verify: `sh tests/nowhere.sh`\n\n\
    ## Phase 3: End\n\n- [ ] T005 High and low water (depends on T002, T003)\n  - Files: `src/day.rs` (new), `Cargo.lock`\n  - Verify: `true`\n  - Covers: FR-002\n";

/// The repository.
///
/// # Panics
/// As [`Repo::new`].
#[must_use]
pub fn four_layouts() -> Repo {
    Repo::new(
        "harbour",
        &[
            (".specify/memory/constitution.md", "# Constitution\n"),
            ("specs/001-tide-tables/spec.md", SPEC),
            ("specs/001-tide-tables/tasks.md", TASKS),
            (
                "openspec/changes/add-alerts/proposal.md",
                "# Change: Storm alerts\n\n## Why\n\nBoats want to know before the wind does.\n\n## What Changes\n\n- **BREAKING** alerts are sent by `src/tide.rs`\n\n## Impact\n\nSmall.\n",
            ),
            (
                "openspec/changes/add-alerts/specs/alerts/spec.md",
                "## ADDED Requirements\n\n### Requirement: Warn\n\nIt SHALL warn an hour before.\n\n#### Scenario: Storm\n\n- **WHEN** the wind rises\n- **THEN** a boat is warned\n",
            ),
            (
                "openspec/changes/add-alerts/tasks.md",
                "## 1. Warn\n\n- [x] 1.1 Read the wind\n- [ ] 1.2 Send it, verified by `sh tests/tide.sh`\n",
            ),
            (
                ".kiro/specs/berths/requirements.md",
                "# Berths\n\n## Introduction\n\nWho lies where.\n\n## Requirements\n\n### Requirement 1: Free berths\n\n**User Story:** As a skipper I want to see them.\n\n#### Acceptance Criteria\n\n1. WHEN a boat leaves THEN the berth SHALL be free\n2. WHEN a boat comes THEN the berth SHALL be taken\n",
            ),
            (
                ".kiro/specs/berths/tasks.md",
                "# Plan\n\n- [ ] 1. Berths\n  - [ ] 1.1 Free a berth\n    - _Requirements: 1.1_\n  - [ ] 1.2 Draw them \u{202e}backwards\n",
            ),
            (
                ".ai/specs/2026-01-02-fees.md",
                "# Harbour fees\n\n## TLDR\n\nA night costs.\n\n## Risks\n\n| Scenario | Severity | Mitigation |\n|---|---|---|\n| Nobody pays | high | a barrier |\n\n## Phasing\n\nOne.\n\n## Open Questions\n\n1. Who pays for a raft?\n",
            ),
            (
                ".ai/runs/2026-01-02-fees/PLAN.md",
                "# Harbour fees\n\n## Tasks\n\n| Phase | Step | Title | Status | Commit |\n|---|---|---|---|---|\n| 1 | 1.1 | Count nights | done | 1234567 |\n| 1 | 1.2 | Ask for money | todo | |\n",
            ),
            (
                "src/tide.rs",
                "//! Tides.\n\npub fn tide_parse(day: &str) -> Option<u32> {\n    day.parse().ok()\n}\n",
            ),
            ("src/tables/table.rs", "//! Tables.\n"),
            ("src/lib.rs", "mod tide;\n"),
            ("Cargo.lock", "version = 4\n"),
            ("tests/tide.sh", "test -e src/tide.rs\n"),
            ("tests/read.sh", "test -e src/read.rs\n"),
        ],
    )
}
